"""The jaxpr layout that the rules for loops and branches rely on, on every JAX version."""

import jax.numpy as jnp
from jax import lax
from support.equations import array, flat, only, operands, parameters, results

from jaxconv.jaxprs.layout import opened, scan_sizes


def test_a_branch_has_the_choice_first_and_all_branches_take_the_rest():
    branches = (lambda x, y: x, lambda x, y: x + y.sum(), lambda x, y: x * 2)
    equation = only("cond", lambda i, x, y: lax.switch(i, branches, x, y), array(dtype="int32"), array(2, 6), array(3))
    assert equation.params.keys() >= {"branches"}
    assert operands(equation)[0] == ()
    for branch in equation.params["branches"]:
        body, _ = opened(branch)
        assert [variable.aval.shape for variable in body.invars] == operands(equation)[1:]
        assert [variable.aval.shape for variable in body.outvars] == results(equation)


def test_the_first_branch_of_a_choice_is_the_one_for_false():
    equation = only("cond", lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x), array(dtype="bool"), array(2, 6))
    first, second = (flat(opened(branch)[0])[0].primitive.name for branch in equation.params["branches"])
    assert (first, second) == ("cos", "sin")


def test_a_while_loop_has_the_constants_of_its_condition_those_of_its_body_and_its_state():
    def loop(a, b, c, x, n):
        go_on = lambda state: state[1] < a.sum()
        body = lambda state: (state[0] + b.sum() + c.sum(), state[1] + 1.0)
        return lax.while_loop(go_on, body, (x, n))

    equation = only("while", loop, array(3), array(4), array(5), array(2, 6), array())
    first, second = parameters(equation, "cond_nconsts", "body_nconsts")
    state = operands(equation)[first + second :]
    assert (first, state, results(equation)) == (1, [(2, 6), ()], [(2, 6), ()])
    condition, body = (opened(equation.params[key])[0] for key in ("cond_jaxpr", "body_jaxpr"))
    shapes = lambda jaxpr: [variable.aval.shape for variable in jaxpr.invars]
    assert shapes(condition) == [*operands(equation)[:first], *state]
    assert shapes(body) == [*operands(equation)[first : first + second], *state]
    assert [variable.aval.shape for variable in body.outvars] == state


def scan_of(body, *arguments):
    """The equation of a scan over the last argument. The carry is the last argument but one."""
    return only("scan", lambda *a: lax.scan(lambda c, v: body(*a[:-2], c, v), a[-2], a[-1]), *arguments)


def test_a_scan_has_constants_the_carry_and_what_it_goes_over_and_its_body_one_slice_of_that():
    equation = scan_of(lambda a, c, v: (c + a.sum(), (v * 2, c)), array(3), array(4), array(5, 6))
    constants, carry = scan_sizes(equation.params)
    assert (constants, carry, equation.params["length"]) == (1, 1, 5)
    assert operands(equation) == [(3,), (4,), (5, 6)]
    body, _ = opened(equation.params["jaxpr"])
    assert [variable.aval.shape for variable in body.invars] == [(3,), (4,), (6,)]
    assert [atom.aval.shape for atom in body.outvars] == [(4,), (6,), (4,)]
    assert results(equation) == [(4,), (5, 6), (5, 4)]


def test_a_scan_whose_body_hands_a_slice_on_has_as_many_results_as_its_body():
    equation = scan_of(lambda c, v: (c, (v, c)), array(4), array(5, 6))
    body, _ = opened(equation.params["jaxpr"])
    constants, carry = scan_sizes(equation.params)
    assert len(body.invars) == len(equation.invars)
    assert len(body.outvars) == len(equation.outvars)
    assert operands(equation)[constants + carry :] == [(5, 6)] * (len(equation.invars) - constants - carry)


def test_a_counted_loop_is_a_scan_without_anything_to_go_over():
    equation = only("scan", lambda a, x: lax.fori_loop(0, 7, lambda i, x: x + a.sum(), x), array(3), array(5, 6))
    constants, carry = scan_sizes(equation.params)
    assert (len(equation.invars) - constants - carry, equation.params["length"]) == (0, 7)
    assert results(equation)[-1] == (5, 6)
