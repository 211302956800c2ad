"""Certificates of real networks, ours and other libraries', against the expectations of `networks`, made by hand."""

import linecache
from functools import cache, partial
from pathlib import Path

import pytest
from support import networks
from support.networks import each_network, network

import jaxconv as jc
from jaxconv.verify.claims import Verdict

certify = partial(jc.certify, search=False)  # proofs only


@cache
def certificate_of(name, large=False):
    """Return the certificate of a network, which the tests share."""
    net = network(name, large=large)
    return certify(net.fn, *net.arguments, axes={len(net.arguments) - 1: net.axes})


@each_network()
def test_the_certificate_is_the_expected_one(name):
    """Verdict, shift, moves, region, receptive field and culprit, for every leaf and axis."""
    net = network(name)
    certificate = certificate_of(name)
    for expected in net.expect:
        report = certificate.leaves[expected.leaf].axes[net.axes.index(expected.axis)]
        cyclic, interior = report.cyclic, report.interior
        assert (cyclic.verdict == Verdict.PROVED) is expected.cyclic
        if expected.cyclic:
            assert (cyclic.shift, cyclic.moves) == (expected.shift, tuple(expected.moves))
        elif expected.culprit is not None:
            assert cyclic.culprit.primitive == expected.culprit.primitive
            file, line = cyclic.culprit.source.split(" ")[0].rsplit(":", 1)
            assert Path(file).parent == Path(networks.__file__).parent
            assert expected.culprit.code in linecache.getline(file, int(line))
        assert (interior.verdict == Verdict.PROVED) is expected.interior
        if expected.interior:
            assert (interior.shift, interior.moves) == (expected.shift, tuple(expected.moves))
            assert interior.region[0][1:] == tuple(expected.region)
            field = interior.receptive_field
            assert (field.rate, field.first, field.last) == (
                expected.field.rate,
                expected.field.first,
                expected.field.last,
            )


@pytest.mark.parametrize(
    ("name", "size", "stride"), [("vgg16", 212, 32), ("resnet50", 483, 32), ("resnet101", 1027, 32)]
)
def test_receptive_fields_are_the_published_ones(name, size, stride):
    """Sizes and strides from the table of google-research/receptive_field."""
    field = certificate_of(name).leaves[0].axes[0].interior.receptive_field
    assert (field.size, field.rate) == (size, stride)


def test_the_time_does_not_depend_on_the_size():
    """Both sizes have the same number of equations, none of which depends on the size. No time is measured."""
    small, large = certificate_of("vgg16"), certificate_of("vgg16", large=True)
    assert small.equations == large.equations
