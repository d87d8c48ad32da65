"""Server-Sent Events: a run's log as it grows, and what changes in the list of runs.

One hub per web process. A bell from the broker (or a look from time to time) makes it read what
a watched run's log has gained, once for all who watch. Every client has only a cursor, the
number of the event it got last, and takes what lies behind it: from the hub's newest frames, or
from the database when it is further back. So nothing is queued for anybody, a slow client costs
nothing, and no event can be lost, doubled or out of order.
"""
