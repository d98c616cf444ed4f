"""The local emulator's process: ministack, with the front doors that it lacks.

ministack (as of 1.5.33) imports no OpenAPI definition of an HTTP API and little of a REST API's,
has no integration of an HTTP API with an AWS service, and of a REST API's with SQS alone. Here its
own API Gateway is filled by the code that fills moto's, and such integrations are played by the
simulation's front door over ministack's own services. All else is ministack's.
"""
