"""What a worker does when the broker goes away while it has messages."""

from django.conf import settings
from kombu import Connection

import config.celery  # noqa: F401  (installs what is tested)


def test_messages_of_a_connection_that_is_closed_bring_no_worker_down():
    with Connection(settings.REDIS_URL) as connection:
        queue = connection.SimpleQueue("broker-goes-away")
        queue.put({"node": 1})
        message = queue.get(timeout=5)
        channel = message.channel
        assert channel.qos._delivered
        # As kombu leaves it when it has closed the transport first.
        channel._pool = channel._async_pool = None
        client, channel.connection.client = channel.connection.client, None
        try:
            assert channel.qos.restore_unacked() == []
        finally:
            channel.connection.client = client
        message.ack()
        queue.clear()
