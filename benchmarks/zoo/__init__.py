"""Published architectures, one module for each family. The tables of the pages and the tests read them."""

from zoo import classification, restoration, segmentation, signals
from zoo.architecture import Architecture

FAMILIES = (segmentation, classification, restoration, signals)
ARCHITECTURES: dict[str, Architecture] = {own.name: own for family in FAMILIES for own in family.ARCHITECTURES}
