# SPDX-License-Identifier: Apache-2.0
"""The REST framework: what every resource of the Compute API is declared with.  How to: `wsgi`.

    wsgi            a resource and its routes as data, and the application that serves them
    routing         path -> what is declared for it
    microversions   which versions there are, and which one was asked for
    schema, query   what may be sent; view: what comes back
    errors          exception -> response
    links           URLs of things
    edge, urlmap    what surrounds the applications of all versions

The resources themselves are in `compute`.
"""
