"""Looking at pages of the analysis: who looks, and what stands there."""

import json
import re

from django.contrib.auth.models import Permission
from django.http import HttpResponse

from runs.models import User


def person(name="ben", *permissions):
    """Staff with these permissions alone."""
    user = User.objects.create_user(name, password="operator-1", is_staff=True)
    for each in permissions:
        app, codename = each.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def text(answer: HttpResponse) -> str:
    """The page without its tags and with single spaces."""
    body = re.sub(r"<script.*?</script>", "", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def chart(answer: HttpResponse, name: str):
    """What the chart of this id is drawn from."""
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>',
                      answer.content.decode(), re.DOTALL)  # fmt: skip
    return json.loads(found.group(1))


def figures(answer: HttpResponse) -> dict[str, tuple[str, str]]:
    """By their label: the words, and where they lead."""
    found = re.findall(
        r'<a href="([^"]*)"[^>]*><span>([^<]*)</span><strong>([^<]*)</strong>',
        answer.content.decode(),
    )
    return {label: (words, link.replace("&amp;", "&")) for link, label, words in found}
