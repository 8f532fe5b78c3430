# SPDX-License-Identifier: Apache-2.0
import json
import operator

from nova.scheduler import filters
from nova.scheduler.diagnosis import Refusal
from nova.scheduler.filters.compute_capabilities_filter import capability

UNREADABLE = Refusal('query', word='asked with a query that cannot be read', may_change=False)
NOT_MET = Refusal('query', word='not as the query wants')


class QueryError(Exception):
    """The query is not one."""


class JsonFilter(filters.HostFilter):
    """The host meets the query in the hint `query`: JSON such as ["and", [">=", "$free_ram_mb", 1024], …].

    Operators: = < > in <= >= not or and.  `$name` is an attribute of the host state, `$name.key` an item in it.
    """

    def applies(self, request):
        return bool(request.hint('query'))

    def refuse(self, host, request):
        try:
            queries = [json.loads(query) if isinstance(query, str) else query for query in request.hint('query')]
            # A hint that is one list arrives as its items.
            query = queries[0] if len(queries) == 1 else queries
            return None if evaluate(query, host) else NOT_MET
        except (ValueError, TypeError, QueryError):
            return UNREADABLE


def _first_with_others(compare):
    return lambda values: all(compare(values[0], other) for other in values[1:])


_OPERATORS = {
    '=': _first_with_others(operator.eq), '<': _first_with_others(operator.lt), '>': _first_with_others(operator.gt),
    '<=': _first_with_others(operator.le), '>=': _first_with_others(operator.ge),
    'in': lambda values: values[0] in values[1:],
    'not': lambda values: not any(values), 'or': any, 'and': all,
}


def evaluate(query, host):
    """What a query says of a host.  Raises QueryError, TypeError."""
    if isinstance(query, list):
        if not query:
            return True
        name, *operands = query
        if not isinstance(name, str) or name not in _OPERATORS or not operands:
            raise QueryError(name)
        values = [evaluate(operand, host) for operand in operands]
        # What the host does not have compares with nothing.
        if name in ('=', '<', '>', '<=', '>=', 'in') and None in values:
            return False
        return bool(_OPERATORS[name](values))
    if isinstance(query, str) and query.startswith('$'):
        return capability(host, query[1:].split('.'))
    return query
