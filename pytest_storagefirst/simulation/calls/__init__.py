"""A handler's calls: from boto3 over the boundary to moto, with faults on the way."""
