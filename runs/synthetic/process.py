"""How a process that loads begins: without Django, which must be set up before models are named."""

import pickle
import signal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Flag


def begin(order_and_share: bytes, end: Connection, enough: Flag) -> None:
    # The parent is the one to be interrupted; what was begun here is finished.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import django

    django.setup()
    from runs.synthetic.load import work

    work(*pickle.loads(order_and_share), end, enough)  # from the parent
