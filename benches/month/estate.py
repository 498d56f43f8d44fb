"""What is billed in the benchmark month: meters, accounts, tags and resources, as arrays.

A resource is billed once an hour, so the number of rows decides how many resources there are.
Rates and quantities are integers in small units; their product is divided once, so every cost has
at most eight decimals and is the double nearest to them, as in a real export.
"""

import calendar
import functools
import os
from types import SimpleNamespace

import numpy as np

# Another month than the benchmark's is chosen before anything is imported; see benches/year.py.
PERIOD = os.environ.get("APPORTION_BENCH_MONTH", "2026-01")
YEAR, MONTH = (int(part) for part in PERIOD.split("-"))
DAYS = calendar.monthrange(YEAR, MONTH)[1]
HOURS = DAYS * 24
PAYER = "100000000000"
ACCOUNTS = [f"{200000000000 + 7919 * n}" for n in range(24)]
REGIONS = ["eu-central-1", "us-east-1", "eu-west-1", "ap-southeast-1"]
CUSTOMERS = [f"customer-{n:03d}" for n in range(400)]
TEAMS = [f"team-{n:02d}" for n in range(20)]

# Who uses what; the names are those of the sample's rules.
SERVICES = ["api", "checkout", "search", "media", "orders-db", "analytics-db", "platform",
            "billing", "reporting", "cdn", "dns", "monitoring"]

# kind, product code, service code, product name, family, usage type, operation, unit,
# rate in 1/10,000, share of resources, instance type
METERS = [
    ("Usage", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud", "Compute Instance",
     "BoxUsage:m7g.xlarge", "RunInstances", "Hrs", 1944, 14, "m7g.xlarge"),
    ("Usage", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud", "Compute Instance",
     "BoxUsage:c6i.large", "RunInstances", "Hrs", 970, 10, "c6i.large"),
    ("Spot", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud", "Compute Instance",
     "SpotUsage:c5.2xlarge", "RunInstances:SV001", "Hrs", 1610, 4, "c5.2xlarge"),
    ("SavingsPlanCoveredUsage", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud",
     "Compute Instance", "BoxUsage:m6i.xlarge", "RunInstances", "Hrs", 2300, 12, "m6i.xlarge"),
    ("DiscountedUsage", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud",
     "Compute Instance", "BoxUsage:m5.large", "RunInstances", "Hrs", 1150, 8, "m5.large"),
    ("Usage", "AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud", "Storage",
     "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", 952, 14, None),
    ("Usage", "AmazonEC2", "AWSDataTransfer", "Amazon Elastic Compute Cloud", "Data Transfer",
     "DataTransfer-Out-Bytes", "RunInstances", "GB", 900, 6, None),
    ("Usage", "AmazonRDS", "AmazonRDS", "Amazon Relational Database Service",
     "Database Instance", "InstanceUsage:db.r6g.large", "CreateDBInstance:0014", "Hrs", 2850, 6,
     "db.r6g.large"),
    ("Usage", "AmazonS3", "AmazonS3", "Amazon Simple Storage Service", "Storage",
     "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 245, 8, None),
    ("Usage", "AWSLambda", "AWSLambda", "AWS Lambda", "Serverless", "Request", "Invoke",
     "Requests", 2, 5, None),
    ("Usage", "AmazonDynamoDB", "AmazonDynamoDB", "Amazon DynamoDB", "Database Storage",
     "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", 3060, 4, None),
    ("Usage", "AmazonEKS", "AmazonEKS", "Amazon Elastic Kubernetes Service", "Compute",
     "AmazonEKS-Hours:perCluster", "CreateOperation", "Hours", 1000, 1, None),
    ("Split", "AmazonEKS", "AmazonEKS", "Amazon Elastic Kubernetes Service", "Compute",
     "EKS-EC2-vCPU-Hours", "EKSPod-EC2", "vCPU-Hours", 0, 5, None),
    ("Usage", "AmazonElastiCache", "AmazonElastiCache", "Amazon ElastiCache", "Cache Instance",
     "NodeUsage:cache.r6g.large", "CreateCacheCluster:0002", "Hrs", 2470, 2, "cache.r6g.large"),
    ("Usage", "AmazonCloudWatch", "AmazonCloudWatch", "AmazonCloudWatch", "Data Payload",
     "DataProcessing-Bytes", "PutLogEvents", "GB", 6300, 2, None),
    ("Usage", "AmazonCloudFront", "AmazonCloudFront", "Amazon CloudFront", "Data Transfer",
     "DataTransfer-Out-Bytes", "GET", "GB", 850, 2, None),
    ("Usage", "AmazonRoute53", "AmazonRoute53", "Amazon Route 53", "DNS Zone", "DNS-Queries",
     "A", "Queries", 4, 1, None),
]
RESERVED_RATE, PLAN_RATE = 550, 1656  # per hour in 1/10,000: reservation and Savings Plan
RESERVATIONS, PLANS = 12, 6


@functools.cache
def build(rows):
    """All resources of a month of about `rows` line items."""
    count = max(50, rows // HOURS)
    random = np.random.default_rng(20260101)
    share = np.array([meter[9] for meter in METERS], dtype=float)
    meter = random.choice(len(METERS), size=count, p=share / share.sum())
    service = random.integers(0, len(SERVICES), count)
    is_database = np.array([m[1] == "AmazonRDS" for m in METERS])[meter]
    service = np.where(is_database, 4 + service % 2, service)
    # A service lives in one account, region and team; one resource in seven is in its second account.
    account = service + len(SERVICES) * (random.random(count) < 0.15)
    per_hour = np.array([m[7] in ("Hrs", "Hours", "vCPU-Hours") for m in METERS])[meter]
    return SimpleNamespace(
        count=count,
        meter=meter,
        account=account,
        region=account % len(REGIONS),
        service=service,
        team=service * 7 % len(TEAMS),
        # One resource in eight belongs to one customer, one in twenty-five has no tags at all.
        customer=np.where(random.random(count) < 0.12,
                          random.integers(0, len(CUSTOMERS), count), -1),
        untagged=random.random(count) < 0.04,
        per_hour=per_hour,
        mean=random.integers(2_000, 900_000, count),
        commitment=service,
    )
