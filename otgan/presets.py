"""Presets as data: what of the settings each paper changes (docs/lineage.md)."""

from __future__ import annotations

from typing import Any

_ADAM_DCGAN = {"rate": 2e-4, "beta1": 0.5, "beta2": 0.999}
_PLAIN: dict[str, Any] = {"constraint": {"kind": "none"}, "average": 0.0, "decay": 0.0}
_NO_CRITIC: dict[str, Any] = {"constraint": {"kind": "none"}, "critic_steps": 0}

PRESETS: dict[str, dict[str, Any]] = {
    # Gulrajani et al. 2017; ours adds the moving average and the decay.
    "wgan-gp": {},
    # Petzka, Fischer, Lukovnikov 2018.
    "wgan-lp": {"constraint": {"sided": "one"}},
    # Anil, Lucas, Grosse 2019, with the layers of networks.lipschitz.
    "certified": {
        "constraint": {"kind": "certified"},
        "optimiser": {"critic_rate": 5e-3, "beta2": 0.99},
    },
    # Arjovsky, Chintala, Bottou 2017, algorithm 1: clipping, RMSprop, DCGAN without sigmoid.
    "wgan": {
        "constraint": {"kind": "clipping"},
        "optimiser": {"name": "rmsprop", "rate": 5e-5},
        "network": {"critic_norm": "batch"},
        "average": 0.0,
        "decay": 0.0,
    },
    # Miyato et al. 2018, setting C, with the non-saturating objective.
    "sngan": {
        "constraint": {"kind": "spectral-norm"},
        "objective": {"kind": "non-saturating"},
        "optimiser": _ADAM_DCGAN,
        "critic_steps": 1,
    },
    # Lim and Ye 2017 by way of Miyato et al. 2018, section 4 (the residual networks' settings).
    "hinge": {
        "constraint": {"kind": "spectral-norm"},
        "objective": {"kind": "hinge"},
        "optimiser": {"rate": 2e-4, "beta1": 0.0, "beta2": 0.9},
        "critic_steps": 5,
    },
    # Goodfellow et al. 2014 with the networks and rates of Radford, Metz, Chintala 2016.
    "gan": {
        **_PLAIN,
        "objective": {"kind": "non-saturating"},
        "optimiser": _ADAM_DCGAN,
        "network": {"critic_norm": "batch"},
        "critic_steps": 1,
    },
    # Radford, Metz, Chintala 2016, section 4.
    "dcgan": {
        **_PLAIN,
        "objective": {"kind": "non-saturating"},
        "optimiser": _ADAM_DCGAN,
        "network": {"critic_norm": "batch", "latent": 100},
        "critic_steps": 1,
        "batch_size": 128,
    },
    # Nowozin, Cseke, Tomioka 2016: algorithm 1, one step each.
    "f-gan": {
        **_PLAIN,
        "objective": {"kind": "f-divergence"},
        "optimiser": _ADAM_DCGAN,
        "critic_steps": 1,
    },
    # Mao et al. 2017, with their labels 0, 1, 1.
    "lsgan": {
        **_PLAIN,
        "objective": {"kind": "least-squares"},
        "optimiser": _ADAM_DCGAN,
        "network": {"critic_norm": "batch"},
        "critic_steps": 1,
    },
    # Zhao, Mathieu, LeCun 2017, without the pulling-away term.
    "ebgan": {
        **_PLAIN,
        "objective": {"kind": "margin"},
        "optimiser": _ADAM_DCGAN,
        "critic_steps": 1,
    },
    # Metz et al. 2017; looks ahead by plain gradient descent, not Adam.
    "unrolled": {
        **_PLAIN,
        "objective": {"kind": "unrolled"},
        "optimiser": {"rate": 1e-4, "beta1": 0.5, "beta2": 0.999},
        "critic_steps": 1,
    },
    # Liu, Gu, Samaras 2019, without the penalty on gradients.
    "wgan-qc": {
        "constraint": {"kind": "none"},
        "objective": {"kind": "quadratic"},
        "optimiser": {"rate": 1e-4, "beta1": 0.5, "beta2": 0.999},
        "critic_steps": 1,
        "average": 0.999,
        "decay": 0.0,
    },
    # Kodali et al. 2017.
    "dragan": {
        "constraint": {"sided": "two", "weight": 10.0, "pairs": "noised"},
        "objective": {"kind": "non-saturating"},
        "optimiser": _ADAM_DCGAN,
        "critic_steps": 1,
        "average": 0.0,
        "decay": 0.0,
    },
    # Jolicoeur-Martineau 2018: pairs (RpGAN, there RSGAN), and averages (RaSGAN).
    "relativistic": {
        **_PLAIN,
        "objective": {"kind": "relativistic"},
        "optimiser": _ADAM_DCGAN,
        "network": {"critic_norm": "batch"},
        "critic_steps": 1,
    },
    "ragan": {
        **_PLAIN,
        "objective": {"kind": "relativistic-average"},
        "optimiser": _ADAM_DCGAN,
        "network": {"critic_norm": "batch"},
        "critic_steps": 1,
    },
    # Wang et al. 2023, 'Diffusion-GAN', as a view of docs/smoothing.md.
    "diffusion-gan": {
        **_PLAIN,
        "objective": {"kind": "non-saturating"},
        "optimiser": _ADAM_DCGAN,
        "smoothing": {"kind": "diffusion"},
        "critic_steps": 1,
    },
    # Genevay, Peyre, Cuturi 2018, and Deshpande, Zhang, Schwing 2018, in the ground cost itself.
    "sinkhorn": {**_NO_CRITIC, "objective": {"kind": "sinkhorn"}},
    "sliced": {**_NO_CRITIC, "objective": {"kind": "sliced"}},
    # Salimans et al. 2018; theirs moves the generator three times as often as the critic.
    "ot-gan": {
        "constraint": {"kind": "none"},
        "objective": {"kind": "energy-distance"},
        "optimiser": {"rate": 3e-4, "critic_rate": 1e-4, "beta1": 0.5, "beta2": 0.999},
        "critic_steps": 1,
        "batch_size": 128,
    },
    # The four below are for images, whose domain adds the network of the paper (docs/networks.md).
    # Karras et al. 2018, section 6 and appendix A, charged one-sidedly: critics start flat,
    # and with one step each a two-sided penalty kept one at the wrong sign.
    "progan": {
        "constraint": {"sided": "one"},
        "optimiser": {"rate": 1e-3, "beta1": 0.0, "beta2": 0.99},
        "critic_steps": 1,
        "average": 0.999,
        "decay": 0.0,
    },
    # Karras et al. 2020, StyleGAN2, with R1's weight of their small images (2020b, appendix C).
    "stylegan": {
        "constraint": {"sided": "zero", "weight": 0.005, "pairs": "real", "every": 16},
        "objective": {"kind": "non-saturating"},
        "optimiser": {"rate": 2e-3, "beta1": 0.0, "beta2": 0.99},
        "critic_steps": 1,
        "average": 0.999,
        "decay": 0.0,
    },
    # Brock et al. 2019, with rates and steps of the authors' code for small images.
    "biggan": {
        "constraint": {"kind": "spectral-norm"},
        "objective": {"kind": "hinge"},
        "optimiser": {"rate": 2e-4, "beta1": 0.0, "beta2": 0.999},
        "critic_steps": 4,
        "average": 0.999,
        "decay": 0.0,
    },
    # Huang et al. 2024, with the penalty of their stacked digits.
    "r3gan": {
        "constraint": {"sided": "zero", "weight": 0.5, "pairs": "both"},
        "objective": {"kind": "relativistic"},
        "optimiser": {"rate": 2e-4, "beta1": 0.0, "beta2": 0.99},
        "critic_steps": 1,
        "average": 0.999,
        "decay": 0.0,
    },
}
