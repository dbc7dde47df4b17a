"""The conventional stack, as its documentation teaches it: Powertools and the boto3 resource.

`create`: REST resolver with validation, idempotency layer, Tracer, Logger, Metrics. `callback`:
the same without idempotency, which its conditional write does not need. `settle`: batch processor.
It is favoured where there was a choice: bytecode is shipped, payments are keyed by merchant and day
(no index to write), no request is sampled by X-Ray, no timer watches a payment.
"""
