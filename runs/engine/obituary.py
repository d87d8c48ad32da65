"""Word of a worker's process that died, for the pulse: where it is lost nothing else is."""

from kombu.exceptions import OperationalError

from runs.engine import hints

# Seconds after which another process may have the number of the dead one.
EXPIRES = 10


def tell_of_end(worker: str, how: str) -> None:
    from runs.engine.tasks import process_ended

    if not hints.possible():
        return
    try:
        with hints._producers().acquire(block=True, timeout=hints.PATIENCE) as producer:
            process_ended.apply_async(
                [worker, how], producer=producer, retry=False, expires=EXPIRES
            )
    except (OperationalError, OSError):  # its leases end anyway
        return
