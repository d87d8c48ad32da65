"""Events of runs that are executed elsewhere: read (`body`), checked (`check`), their runs found
(`places`), judged by the run as it is (`report`), and stored (`intake`).

What is stored, in short:

- The history is in order of arrival. Beside each event stands its time by the sender's clock, and
  that is what the times of runs, nodes and attempts are taken from, kept within the run's creation
  and now.
- A run begins with the first that is heard of it, whatever that is; a node that starts or ends
  makes its run active. A node's place is the order in which it was heard of.
- A result whose start was not heard yet begins with itself; the start's time is put right when it
  comes.
- A final state is never left. A result that comes late is a `late_result`; whatever else does not
  fit, such as a start after the end, is kept as a log line that says what was reported.
- A failed node may begin a further attempt; a completed or skipped one may not.
- Nodes that are open when their run ends are terminated with it.
- An event is the same as another if source and `event_id` are the same. That is known for as long
  as the event is in the database, and by its run's archive after that: what comes again for a run
  that was archived is known there, though not if it names another run.
"""
