"""How a process that loads begins: without Django, which must be set up before models are named."""

import pickle
import signal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Flag


def begin(order_and_share: bytes, database: str, end: Connection, enough: Flag) -> None:
    """Load a share into `database`, which need not be that of the settings: tests have others."""
    # The parent is the one to be interrupted; what was begun here is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import django

    django.setup()
    from django.db import connection

    connection.settings_dict["NAME"] = database
    from runs.synthetic.load import work

    order, share = pickle.loads(order_and_share)  # noqa: S301  (from the process that began this one)
    work(order, share, end, enough)  # from the parent
