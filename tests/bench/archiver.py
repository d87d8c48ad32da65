"""Archives all runs of a workflow as fast as it goes, in a process of its own."""

import sys


def main(slug: str) -> None:
    import django

    django.setup()

    from runs import archiving
    from runs.models import Run

    due = Run.objects.filter(workflow__slug=slug, logs="live").order_by("completed_at", "id")
    while run_ids := list(due.values_list("id", flat=True)[: archiving.BATCH]):
        result = archiving.archive(run_ids)
        assert len(result.archived) == len(run_ids), result


if __name__ == "__main__":
    main(sys.argv[1])
