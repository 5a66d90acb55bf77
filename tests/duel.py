"""Small games with the engine's own parts: a critic against two distributions, any networks."""

from functools import partial

import torch
from lightning_fabric import Fabric

from otgan.constraints import SlopePenalty
from otgan.engine import Game, Schedule, train
from otgan.geometry import Lp
from otgan.monitors import largest_slope
from otgan.networks import mlp
from otgan.objectives import Kantorovich


def game(geometry, constraint, shape=(2,), *, objective=None, networks=None, fabric=None, **rules):
    """A small game on vectors, ready to play."""
    adam = partial(torch.optim.Adam, lr=rules.pop("rate", 2e-3), betas=(0.0, 0.9))
    steps, decay = rules.pop("steps", 1000), rules.pop("decay", 0.0)
    return Game.start(
        fabric or Fabric(accelerator="cpu", devices=1),
        *(networks or mlp(shape, latent=4, width=32, depth=2, generator_norm="none")),
        adam,
        adam,
        geometry=geometry,
        objective=objective or Kantorovich(),
        constraint=constraint,
        schedule=Schedule(steps, decay),
        **rules,
    )


def duel(geometry, constraint, real, fake, *, steps=600, seed=0, rate=5e-3, width=32, batch=128):
    """Trains a critic between samplers n -> (n, d); its value and largest slope on fresh points."""
    torch.manual_seed(seed)
    shape = tuple(real(1).shape[1:])
    networks = mlp(shape, latent=1, width=width, depth=2, generator_norm="none")
    play = game(geometry, constraint, networks=networks, rate=rate, steps=steps)
    for step in range(steps):
        for group in play.critic_optimiser.param_groups:
            group["lr"] = rate * min(1, 2 * (1 - step / steps))
        loss, penalty, _ = play.critic_loss(real(batch), fake(batch), None, step)
        play.critic_optimiser.zero_grad()
        (loss + penalty).backward()
        play.critic_optimiser.step()
        constraint.project(play.critic)
    x, y = real(100 * batch), fake(100 * batch)
    with torch.no_grad():
        value = (play.critic(x, None).mean() - play.critic(y, None).mean()).item()
    return value, largest_slope(lambda p: play.critic(p, None), x, y, geometry)


def built(make, shape=(2, 16, 16), bounds=(-1.0, 1.0), **settings):
    torch.manual_seed(0)
    return make(shape, bounds, **{"latent": 8, "width": 4, **settings})


def endless(shape, condition=None, n=4):
    while True:
        y = None if condition is None else torch.randint(3, (n, 1)).float()
        yield torch.rand(n, *shape) * 2 - 1, y


def played(make, shape, steps, condition=None, **settings):
    told = {} if condition is None else {"condition": condition}
    networks = built(make, shape, **told, **settings)
    done = game(Lp(2), SlopePenalty("one"), networks=networks, steps=steps, critic_steps=1)
    list(train(done, endless(shape, condition), lambda n: torch.randn(n, 8)))
    return done
