"""The elements along a chemical scale."""

from __future__ import annotations

import re

SCALE = tuple(
    re.findall(
        "[A-Z][a-z]?",
        "HeNeArKrXeRnFrCsRbKNaLiRaBaSrCaEuYbLuTmYErHoDyTbGdSmPmNdPrCeLaAcThPaUNpPuAmCmBkCfEsFmMdNoLr"
        "ScZrHfTiTaNbVCrMoWReTcOsRuIrRhPtPdAuAgCuNiCoFeMnMgZnCdHgBeAlGaInTlPbSnGeSiBCNPAsSbBiPoTeSeSO"
        "AtIBrClFH",
    )
)
"""H to Lr along the modified Pettifor scale: neighbours replace each other in known crystals.

References:
    Henning Glawe, Antonio Sanna, E. K. U. Gross, Miguel Marques, 'The optimal one dimensional
    periodic table: a modified Pettifor chemical scale from data mining', New Journal of Physics
    18, 093011, 2016
"""
