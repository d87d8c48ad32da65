"""Reports the steps of a plain script as a run.

    RUNS_URL=http://127.0.0.1:8000 RUNS_TOKEN=runs_… python report_a_script.py

Copy `runs/client/runs_client.py` beside it. The token needs the scope `ingest`.
"""

import os
import random
import sys
import time

from runs_client import Client

PAGES = 3


def extract(page: int) -> str:
    time.sleep(0.01)
    return f"text of page {page}"


def main() -> int:
    client = Client(os.environ["RUNS_URL"], os.environ["RUNS_TOKEN"], source="example-script")
    name = sys.argv[1] if len(sys.argv) > 1 else None
    with client.run("read_document", name, input={"document": "a.pdf", "pages": PAGES}) as run:
        with run.step("extract", input={"pages": PAGES}) as step:
            texts = []
            for page in range(1, PAGES + 1):
                texts.append(extract(page))
                step.progress(page, PAGES)
                step.log(f"page {page}: {len(texts[-1])} characters")
            step.output = {"characters": sum(map(len, texts))}

        with run.step("summarize") as step:
            step.llm_call("small-model", input_tokens=120, output_tokens=30, cost="0.00042")
            step.output = {"summary": random.choice(texts)}
    delivered = client.close()
    print(f"run {run.external_id}: {client.stored} events stored, {client.dropped} lost")
    return 0 if delivered else 1


if __name__ == "__main__":
    sys.exit(main())
