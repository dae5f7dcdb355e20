"""What is said about processes."""

import os
import subprocess
import sys

from greenroom.runtime.system import is_alive


def test_a_process_that_has_ended_does_not_live_though_it_has_its_number() -> None:
    """Nobody has asked yet how it ended: the number is not free, and signals to it succeed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    os.kill(process.pid, 0)
    assert not is_alive(process.pid)
    process.communicate()
    assert not is_alive(process.pid)
    assert is_alive(os.getpid())
