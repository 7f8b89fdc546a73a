"""The bodies of requests and answers, as callers see them. Field names are the API: they are only ever added to."""
