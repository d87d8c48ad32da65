"""Read an archived log without the portal: python read_archive.py OBJECT (needs zstandard)."""

import hashlib
import io
import json
import sys

import zstandard

with open(sys.argv[1], "rb") as file:
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    manifest, *lines = io.BufferedReader(reader).readlines()
about = json.loads(manifest)
events = [json.loads(line) for line in lines]
for event in events:
    print(event["seq"], event["at"], event["kind"], event["node"], json.dumps(event["data"]))
whole = hashlib.sha256(b"".join(lines)).hexdigest() == about["sha256"]
if not whole or len(events) != about["events"]:
    sys.exit(f"{about['run_id']}: this is not the log that was archived")
