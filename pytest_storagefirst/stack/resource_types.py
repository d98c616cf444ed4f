"""The resource types that play a part, with the attributes that `Fn::GetAtt` may ask of them.

Every other type is inert. Attributes from
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-template-resource-type-ref.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PLAYS_A_PART: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "AWS::ApiGateway::Authorizer": ("AuthorizerId",),
        "AWS::ApiGateway::Deployment": ("DeploymentId",),
        "AWS::ApiGateway::Method": (),
        "AWS::ApiGateway::Model": (),
        "AWS::ApiGateway::RequestValidator": ("RequestValidatorId",),
        "AWS::ApiGateway::Resource": ("ResourceId",),
        "AWS::ApiGateway::RestApi": ("RestApiId", "RootResourceId"),
        "AWS::ApiGateway::Stage": (),
        "AWS::ApiGatewayV2::Api": ("ApiId", "ApiEndpoint"),
        "AWS::ApiGatewayV2::Authorizer": ("AuthorizerId",),
        "AWS::ApiGatewayV2::Deployment": ("DeploymentId",),
        "AWS::ApiGatewayV2::Integration": ("IntegrationId",),
        "AWS::ApiGatewayV2::Route": ("RouteId",),
        "AWS::ApiGatewayV2::Stage": (),
        "AWS::AppConfig::Application": ("ApplicationId",),
        "AWS::AppConfig::ConfigurationProfile": ("ConfigurationProfileId",),
        "AWS::AppConfig::Deployment": ("DeploymentNumber", "State"),
        "AWS::AppConfig::DeploymentStrategy": ("Id",),
        "AWS::AppConfig::Environment": ("EnvironmentId",),
        "AWS::AppConfig::HostedConfigurationVersion": ("VersionNumber",),
        "AWS::DynamoDB::GlobalTable": ("Arn", "StreamArn", "TableId"),
        "AWS::DynamoDB::Table": ("Arn", "StreamArn"),
        "AWS::Events::EventBus": ("Arn", "Name", "Policy"),
        "AWS::Events::Rule": ("Arn",),
        "AWS::IAM::ManagedPolicy": ("PolicyArn", "PolicyId"),
        "AWS::IAM::Policy": ("Id",),
        "AWS::IAM::Role": ("Arn", "RoleId"),
        "AWS::IAM::RolePolicy": (),
        "AWS::IoT::TopicRule": ("Arn",),
        "AWS::KMS::Alias": (),
        "AWS::KMS::Key": ("Arn", "KeyId"),
        "AWS::Kinesis::Stream": ("Arn", "WarmThroughputObject"),
        "AWS::Lambda::Alias": ("AliasArn",),
        "AWS::Lambda::EventInvokeConfig": (),
        "AWS::Lambda::EventSourceMapping": ("Id", "EventSourceMappingArn"),
        "AWS::Lambda::Function": ("Arn", "SnapStartResponse"),
        "AWS::Lambda::LayerVersion": ("LayerVersionArn",),
        "AWS::Lambda::Permission": ("Id",),
        "AWS::Lambda::Version": ("FunctionArn", "Version"),
        "AWS::Logs::LogGroup": ("Arn",),
        "AWS::Pipes::Pipe": ("Arn",),
        "AWS::S3::Bucket": (
            "Arn",
            "DomainName",
            "DualStackDomainName",
            "RegionalDomainName",
            "WebsiteURL",
        ),
        "AWS::S3::BucketPolicy": (),
        "AWS::SNS::Subscription": ("Arn",),
        "AWS::SNS::Topic": ("TopicArn", "TopicName"),
        "AWS::SNS::TopicInlinePolicy": (),
        "AWS::SNS::TopicPolicy": ("Id",),
        "AWS::SQS::Queue": ("Arn", "QueueName", "QueueUrl"),
        "AWS::SQS::QueueInlinePolicy": (),
        "AWS::SQS::QueuePolicy": ("Id",),
        "AWS::SSM::Parameter": ("Type", "Value"),
        "AWS::Scheduler::Schedule": ("Arn",),
        "AWS::Scheduler::ScheduleGroup": ("Arn",),
        "AWS::SecretsManager::Secret": ("Id",),
        "AWS::StepFunctions::StateMachine": ("Arn", "Name", "StateMachineRevisionId"),
        "Custom::S3BucketNotifications": (),
    }
)


def plays_a_part(resource_type: str) -> bool:
    return resource_type in PLAYS_A_PART
