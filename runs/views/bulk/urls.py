"""Where the pages of bulk operations are, under /admin/bulk/."""

from django.contrib import admin
from django.urls import path

from runs.views.bulk.operation_list import BulkOperations
from runs.views.bulk.operation_page import OperationPage

urlpatterns = [
    path("", admin.site.admin_view(BulkOperations.as_view()), name="bulk_operations"),
    path(
        "<str:operation_id>/", admin.site.admin_view(OperationPage.as_view()), name="bulk_operation"
    ),
]
