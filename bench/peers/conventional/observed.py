"""Logger, metrics, tracer and the table, shared by the handlers."""

import os

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer()
table = boto3.resource("dynamodb").Table(os.environ["PAYMENTS_TABLE"])
