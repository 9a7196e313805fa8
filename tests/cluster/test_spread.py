import subprocess
import sys

import pytest

from common.cluster.spread import FLAGS, Spread, add_spread_flags, read_spread
from common.errors import InputError
from common.flags import OneLineParser


def spread(*arguments, skip_bad=False):
    add_spread_flags(parser := OneLineParser("Predict."))
    values = vars(parser.parse_args(arguments))
    assert set(values) == set(FLAGS)
    return read_spread(values, skip_bad=skip_bad)


def test_flags_become_values():
    assert spread() == Spread(workers=1)
    given = spread("--scheduler", "tcp://host:8786", "--time-limit", "30", "--workers", "0", skip_bad=True)
    assert given == Spread(workers=0, scheduler="tcp://host:8786", time_limit=30.0, skip_bad=True)
    assert spread("--scheduler", "local:4").scheduler == "local:4"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", "-1"], r"--workers -1: must be at least 0"),
        (["--time-limit", "0"], r"--time-limit 0: must be above 0"),
        (["--time-limit", "nan"], r"--time-limit nan: must be above 0"),
        (["--scheduler", "local:0"], r"--scheduler local:0: give the number of processes, such as local:4"),
        (["--scheduler", "local:many"], r"--scheduler local:many: give the number"),
        (["--scheduler", "host:8786"], r"--scheduler host:8786: give an address such as tcp://host:8786, or local:4"),
    ],
)
def test_wrong_values_are_refused(flags, message):
    with pytest.raises(InputError, match=message):
        spread(*flags)


def test_without_the_flag_nothing_of_dask_is_imported():
    program = (
        "import sys; import common.engine, common.cli, common.output.rows, dsb.inference\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('dask', 'distributed')])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
