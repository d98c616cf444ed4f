"""Resource types stood up in moto through the AWS APIs, one module a service.

moto's CloudFormation engine walks the template; how each resource is made is decided here, so that
what a type needs on this path is all there and the same for every type.
"""
