"""Published architectures, one module for each family. The tables of the pages and the tests read them."""

from zoo import mobile, plain, resnets, restoration, segmentation, signals, tokens
from zoo.architecture import Architecture

FAMILIES = (plain, resnets, mobile, tokens, segmentation, restoration, signals)
ARCHITECTURES: dict[str, Architecture] = {own.name: own for family in FAMILIES for own in family.ARCHITECTURES}
