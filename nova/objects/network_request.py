# SPDX-License-Identifier: Apache-2.0
"""Networks that a user asked for."""

from nova.objects import base, fields

#: What `networks` may say instead of a list.
AUTO, NONE = 'auto', 'none'


@base.register
class NetworkRequest(base.NovaObject):
    fields = {
        'network_id': fields.optional(),
        'address': fields.optional(),
        'port_id': fields.optional(),
        'tag': fields.optional(),
        'pci_request_id': fields.optional(),
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in self.fields:
            if not self.obj_attr_is_set(name):
                self.trust(name, None)


@base.register
class NetworkRequestList(base.NovaObjectList):
    """A list of requests; a single one for the network 'auto' or 'none' stands for these words."""

    fields = {'objects': fields.ListOfObjectsField('NetworkRequest')}

    @classmethod
    def of_order(cls, context, args):
        """What the arguments of an order to build a server say; None: nothing."""
        requested = args.get('requested_networks')
        return cls.obj_from_primitive(requested, context=context.copy()) if requested else None

    @classmethod
    def of_word(cls, word):
        return cls(objects=[NetworkRequest(network_id=word)])

    @property
    def is_auto(self):
        return len(self.objects) == 1 and self.objects[0].network_id == AUTO

    @property
    def no_allocate(self):
        return len(self.objects) == 1 and self.objects[0].network_id == NONE
