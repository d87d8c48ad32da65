"""What is answered where an error was met that nobody expected."""

from django.http import HttpRequest, HttpResponse

from runs.api import problems
from runs.views import services

SERVICES = "/admin/services/"


def server_error(request: HttpRequest) -> HttpResponse:
    """The page of services has something to say also without the database."""
    if request.path == SERVICES and problems.database_is_away():
        return services.without_database(request)
    return problems.server_error(request)
