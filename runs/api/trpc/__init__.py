"""tRPC 11 at ``/api/trpc``: for the official JavaScript client, unchanged.

`procedures` says what can be called, with which input, by whom. Queries and mutations are
answered by `view`, within Django; subscriptions by `subscription`, on the hub of the streams.
`wire` knows what goes over HTTP, `errors` what a failure is called, `typescript`
writes the procedures down for those who compile.
"""
