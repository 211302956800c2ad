"""The facts on the processor: what the system states, the defaults, and the variables that override both."""

import pytest

from jaxconv.lowering.machine import CACHES, Machine, machine, read_machine, usable_by_affinity, variable


@pytest.fixture
def system(tmp_path):
    """A function that writes the files of a system, by their paths, and returns their root."""

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


def cache(number, level, kind, size):
    folder = f"{CACHES}/index{number}"
    return {f"{folder}/level": f"{level}\n", f"{folder}/type": f"{kind}\n", f"{folder}/size": f"{size}\n"}


LINUX = (
    cache(0, 1, "Data", "48K")
    | cache(1, 1, "Instruction", "32K")
    | cache(2, 2, "Unified", "1280K")
    | cache(3, 3, "Unified", "54M")
    | {"proc/cpuinfo": "model name\t: some\nflags\t\t: fpu avx avx2 avx512f\n\nmodel name\t: some\nflags\t\t: fpu\n"}
)


def test_what_linux_states(system):
    assert read_machine({}, system(LINUX), 6) == Machine(6, 1280 * 2**10, 54 * 2**20, 64)


def test_defaults_where_the_system_states_nothing(system):
    assert read_machine({}, system({}), 3) == Machine(cores=3)


@pytest.mark.parametrize("size", ["", "0K", "many", "1280KB"])
def test_a_size_that_is_none_is_not_read(system, size):
    assert read_machine({}, system(LINUX | cache(2, 2, "Unified", size)), 1).l2_bytes == Machine().l2_bytes


def test_a_cache_of_instructions_is_not_the_second_level(system):
    found = read_machine({}, system(cache(0, 2, "Instruction", "64K") | cache(1, 2, "Data", "256K")), 1)
    assert found.l2_bytes == 256 * 2**10


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : sse2", 16), ("flags : avx", 32), ("flags : avx avx512f", 64), ("Features : asimd", 16)],
)
def test_vectors(system, flags, expected):
    assert read_machine({}, system({"proc/cpuinfo": f"{flags}\n"}), 1).vector_bytes == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 3),
        ({"sys/fs/cgroup/cpu.max": "900000 100000\n"}, 4),  # no more than the affinity
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 4),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n"}, 4),  # a quota without a period
    ],
)
def test_quotas_of_control_groups(system, files, expected):
    assert read_machine({}, system(files), 4).cores == expected


def test_every_fact_has_a_variable(system):
    values = {"JAXCONV_CORES": "3", "JAXCONV_L2_BYTES": "5", "JAXCONV_L3_BYTES": "7", "JAXCONV_VECTOR_BYTES": "9"}
    assert read_machine(values, system(LINUX), 6) == Machine(3, 5, 7, 9)
    assert read_machine({"JAXCONV_L2_BYTES": ""}, system(LINUX), 6).l2_bytes == 1280 * 2**10
    assert variable("cores") == "JAXCONV_CORES"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "2M", " 2"])
def test_a_variable_that_is_no_number_is_refused(system, text):
    with pytest.raises(ValueError, match=r"JAXCONV_L2_BYTES is '.*', but should be a positive integer"):
        read_machine({"JAXCONV_L2_BYTES": text}, system(LINUX), 1)


def test_this_machine_is_read_once(monkeypatch):
    monkeypatch.setenv("JAXCONV_CORES", "77")
    machine.cache_clear()
    try:
        assert machine().cores == 77
        monkeypatch.setenv("JAXCONV_CORES", "78")
        assert machine().cores == 77
    finally:
        monkeypatch.undo()
        machine.cache_clear()
    assert 1 <= machine().cores <= usable_by_affinity()
