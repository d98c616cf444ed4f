"""Rows about API routes."""

from __future__ import annotations

from pytest_storagefirst.audit.catalogue.trials import API, AWS, LOSS, POISON
from pytest_storagefirst.audit.rule import ERROR, WARNING, Rule, Trial

RULES = (
    Rule(
        id="default-response-200",
        title="A backend's refusal is told to the sender as success",
        severity=ERROR,
        page=f"{API}/api-gateway-integration-settings-integration-response.html",
        looks_for="a REST integration that writes to a service and answers a 4xx or 5xx of it with "
        "2xx, because its only response without a pattern is a default one",
        harm="what was not stored is acknowledged: it is lost",
        remedy=(
            "# beside the default response of <Route>",
            "responses:   # in CloudFormation IntegrationResponses, each with a SelectionPattern",
            '  "4\\\\d{2}": { statusCode: "400" }',
            '  "5\\\\d{2}": { statusCode: "500" }',
        ),
        trials=(
            Trial(LOSS, "request", "storage-refused", "server-error"),
            Trial(LOSS, "request", "storage-refused", "access-denied"),
        ),
        needs_code=False,
    ),
    Rule(
        id="body-not-encoded",
        title="A body is put into a form without URL encoding",
        severity=ERROR,
        page=f"{API}/api-gateway-mapping-template-reference.html",
        looks_for="a REST integration with SQS or SNS whose request template says "
        "MessageBody=$input.body or the like, without $util.urlEncode",
        harm="what is stored is not what was sent, or is refused",
        remedy=(
            "requestTemplates:",
            "  <Type>: Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
        ),
        trials=(Trial(LOSS, content=True),),
        needs_code=False,
    ),
    Rule(
        id="failed-entries-unchecked",
        title="Entries that a batch API did not take are told as success",
        severity=WARNING,
        page=f"{AWS}/eventbridge/latest/APIReference/API_PutEvents.html",
        looks_for="a REST integration with PutEvents, PutRecords, SendMessageBatch or "
        "BatchWriteItem whose response does not look at the count of failures",
        harm="an entry that was not taken is acknowledged: it is lost",
        remedy=(
            "responseTemplates:   # of the response of <Route>",
            "  application/json: |",
            "    #if($input.path('$.<Field>') != 0)",
            "    #set($context.responseOverride.status = 500)#end",
            "    $input.body",
        ),
        trials=(Trial(POISON, bad=True), Trial(LOSS, bad=True)),
        needs_code=False,
    ),
)
