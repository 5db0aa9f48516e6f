"""How a run is told to end."""

from __future__ import annotations

import os
import signal

import pytest

from edgeconnect.training import stopping
from edgeconnect.training.stopping import stop_signals


def test_a_signal_is_a_wish_and_one_much_later_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)  # as a launcher passes on what the terminal sent as well
        assert received == [signal.SIGINT, signal.SIGTERM]
        monkeypatch.setattr(stopping, "PATIENCE_S", -1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
