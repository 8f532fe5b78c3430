# SPDX-License-Identifier: Apache-2.0
"""Certificates that the site's own authority signs.  (/os-certificates)"""

from nova import exception
from nova.api.openstack import wsgi
from nova.api.openstack.schema import Table
from nova.api.openstack.view import Field
from nova.api.openstack.view import Table as View
from nova.compute import certificates
from nova.policy import ANYBODY, Rule

VIEW = View(Field('data', lambda pair: pair[0], type='string', doc='The certificate, PEM.'),
            Field('private_key', lambda pair: pair[1], type=['string', 'null'], doc='Its private key, PEM.'))


class OnlyRoot(exception.Unsupported):
    msg_fmt = 'Only the root certificate can be retrieved: /os-certificates/root'


class Certificates(wsgi.Resource):
    """X.509 certificates of users."""

    path = '/os-certificates'

    @wsgi.get('/{certificate}', view=VIEW.one('certificate'), policy=Rule('os-certificates:show', ANYBODY),
              errors=(OnlyRoot, certificates.CertificateAuthorityMissing))
    def show(self, context, certificate):
        """The authority's certificate, named root."""
        if certificate != 'root':
            raise OnlyRoot()
        return certificates.root(), None

    @wsgi.post(body=Table(nullable=True, open=True), success=200, view=VIEW.one('certificate'),
               policy=Rule('os-certificates:create', ANYBODY))
    def create(self, context):
        """A new key of the caller, signed. It is not kept here."""
        return certificates.issue(f'{context.project_id}-{context.user_id}', context.project_id)
