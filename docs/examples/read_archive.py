"""Read an archived log without the portal: python read_archive.py OBJECT (needs zstandard)."""

import hashlib
import io
import json
import sys

import zstandard

digest, seq = hashlib.sha256(), 0
try:
    with open(sys.argv[1], "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        lines = io.BufferedReader(reader)
        about = json.loads(lines.readline())
        for seq, line in enumerate(lines, about["first_seq"]):
            event = json.loads(line)
            if event["seq"] != seq:
                raise ValueError(f"there is event {event['seq']} instead of {seq}")
            print(seq, event["at"], event["kind"], event["node"], json.dumps(event["data"]))
            digest.update(line)
except (zstandard.ZstdError, ValueError, KeyError) as error:
    sys.exit(f"This is not whole; it breaks off at event {seq}: {error}")
if digest.hexdigest() != about["sha256"] or seq != about["last_seq"]:
    sys.exit(f"{about['run_id']}: this is not the log that was archived")
