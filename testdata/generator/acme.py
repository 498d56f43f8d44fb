"""What the invented company Acme runs: accounts, customers, commitments, metered resources.

Nothing here is taken from a real bill; prices are made up, near enough to public ones to look right.
"""

import calendar
import datetime as dt
import hashlib
from dataclasses import dataclass, field
from decimal import Decimal as D

SEED = "acme-2026"
PERIODS = ["2026-01", "2026-02", "2026-03"]
OPEN_PERIOD = "2026-03"  # its invoice is not issued yet: bill_invoice_id is blank

PAYER = "111111111111"
SHARED = "012345678901"  # leading zero on purpose: an account id is not a number
PRODUCTION = "222222222222"
DATA = "333333333333"
STAGING = "444444444444"
ACCOUNTS = {
    PAYER: "Acme Holding",
    SHARED: "acme-shared",
    PRODUCTION: "acme-production",
    DATA: "acme-data",
    STAGING: "acme-staging",
}

CUSTOMERS = [
    "aurora", "birch", "cobalt", "delta", "ember", "fjord",
    "garnet", "harbor", "iris", "juniper", "kestrel", "lumen",
]
LATE_CUSTOMER, LATE_FROM = "lumen", dt.date(2026, 2, 15)

REGION = "eu-central-1"


def noise(*keys):
    """A reproducible number in [0, 1) that depends on its keys only, never on call order."""
    text = "|".join([SEED, *map(str, keys)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56


def code(length, *keys):
    """A reproducible upper-case code, the look of an AWS SKU."""
    digest = hashlib.sha256("|".join([SEED, *map(str, keys)]).encode()).hexdigest()
    return "".join("ABCDEFGHJKMNPQRSTUVWXYZ23456789"[int(c, 16)] for c in digest[:length])


def days(period):
    """All days of a billing period."""
    year, month = map(int, period.split("-"))
    return [dt.date(year, month, d + 1) for d in range(calendar.monthrange(year, month)[1])]


def weekday_factor(day):
    """Business is quieter at weekends."""
    return 0.6 if day.weekday() >= 5 else 1.0


@dataclass(frozen=True)
class Service:
    """How AWS names a service on a bill line."""

    code: str
    servicecode: str
    name: str


EC2 = Service("AmazonEC2", "AmazonEC2", "Amazon Elastic Compute Cloud")
TRANSFER = Service("AmazonEC2", "AWSDataTransfer", "Amazon Elastic Compute Cloud")
RDS = Service("AmazonRDS", "AmazonRDS", "Amazon Relational Database Service")
S3 = Service("AmazonS3", "AmazonS3", "Amazon Simple Storage Service")
LAMBDA = Service("AWSLambda", "AWSLambda", "AWS Lambda")
EKS = Service("AmazonEKS", "AmazonEKS", "Amazon Elastic Container Service for Kubernetes")
CLOUDFRONT = Service("AmazonCloudFront", "AmazonCloudFront", "Amazon CloudFront")
DYNAMODB = Service("AmazonDynamoDB", "AmazonDynamoDB", "Amazon DynamoDB")
ROUTE53 = Service("AmazonRoute53", "AmazonRoute53", "Amazon Route 53")
CLOUDWATCH = Service("AmazonCloudWatch", "AmazonCloudWatch", "AmazonCloudWatch")
SUPPORT = Service("AWSSupportBusiness", "AWSSupportBusiness", "AWS Support (Business)")
SAVINGS_PLANS = Service(
    "ComputeSavingsPlans", "ComputeSavingsPlans", "Savings Plans for AWS Compute usage")


@dataclass(frozen=True)
class Meter:
    """One usage type with its price; quantities are made per resource and day."""

    service: Service
    usage_type: str
    operation: str
    unit: str
    rate: D
    family: str
    region: str = REGION
    instance_type: str | None = None
    product: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """One resource (or, without an id, one kind of usage of an account) billed every day."""

    account: str
    resource_id: str | None
    meter: Meter
    base: D  # mean quantity per day
    swing: float = 0.0  # share of the quantity that follows the weekday and noise
    tags: dict = field(default_factory=dict)


def instance(kind, rate, vcpu, memory):
    return Meter(
        EC2, f"EUC1-BoxUsage:{kind}", "RunInstances", "Hrs", D(rate), "Compute Instance",
        instance_type=kind,
        product={"vcpu": str(vcpu), "memory": f"{memory} GiB", "operating_system": "Linux",
                 "tenancy": "Shared", "instance_type_family": kind.split(".")[0]})


M6I = instance("m6i.xlarge", "0.23", 4, 16)
C6I = instance("c6i.large", "0.097", 2, 4)
M5 = instance("m5.large", "0.115", 2, 8)
M7G = instance("m7g.xlarge", "0.1944", 4, 16)
T3 = instance("t3.medium", "0.048", 2, 4)
SPOT = Meter(EC2, "EUC1-SpotUsage:c5.2xlarge", "RunInstances:SV001", "Hrs", D(0),
             "Compute Instance", instance_type="c5.2xlarge",
             product={"vcpu": "8", "memory": "16 GiB", "operating_system": "Linux"})
GP3 = Meter(EC2, "EUC1-EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", D("0.0952"), "Storage")
OUT = Meter(TRANSFER, "EUC1-DataTransfer-Out-Bytes", "RunInstances", "GB", D("0.09"),
            "Data Transfer", product={"transfer_type": "AWS Outbound"})
CROSS_AZ = Meter(TRANSFER, "EUC1-DataTransfer-Regional-Bytes", "InterZone-Out", "GB", D("0.01"),
                 "Data Transfer", product={"transfer_type": "IntraRegion"})
DB = Meter(RDS, "EUC1-InstanceUsage:db.r6g.large", "CreateDBInstance:0014", "Hrs", D("0.285"),
           "Database Instance", instance_type="db.r6g.large",
           product={"vcpu": "2", "memory": "16 GiB", "database_engine": "PostgreSQL"})
DB_STORAGE = Meter(RDS, "EUC1-RDS:GP3-Storage", "CreateDBInstance:0014", "GB-Mo", D("0.137"),
                   "Database Storage", product={"database_engine": "PostgreSQL"})
S3_STORAGE = Meter(S3, "EUC1-TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", D("0.0245"),
                   "Storage", product={"storage_class": "General Purpose"})
S3_PUTS = Meter(S3, "EUC1-Requests-Tier1", "PutObject", "Requests", D("0.0000054"), "API Request")
# 0.0000166667 times a quantity with three decimals: thirteen decimals, more than money stores.
LAMBDA_TIME = Meter(LAMBDA, "EUC1-Lambda-GB-Second", "Invoke", "Lambda-GB-Second",
                    D("0.0000166667"), "Serverless")
LAMBDA_CALLS = Meter(LAMBDA, "EUC1-Request", "Invoke", "Requests", D("0.0000002"), "Serverless")
CLUSTER = Meter(EKS, "EUC1-AmazonEKS-Hours:perCluster", "CreateOperation", "Hours", D("0.10"),
                "Compute")
CDN_EU = Meter(CLOUDFRONT, "EU-DataTransfer-Out-Bytes", "GET", "GB", D("0.085"), "Data Transfer",
               region="global")
CDN_US = Meter(CLOUDFRONT, "US-DataTransfer-Out-Bytes", "GET", "GB", D("0.085"), "Data Transfer",
               region="global")
DDB_READ = Meter(DYNAMODB, "EUC1-ReadRequestUnits", "PayPerRequestThroughput",
                 "ReadRequestUnits", D("0.0000001525"), "Amazon DynamoDB PayPerRequest Throughput")
DDB_WRITE = Meter(DYNAMODB, "EUC1-WriteRequestUnits", "PayPerRequestThroughput",
                  "WriteRequestUnits", D("0.0000007625"), "Amazon DynamoDB PayPerRequest Throughput")
ZONE = Meter(ROUTE53, "HostedZone", "HostedZone", "HostedZone", D("0.5"), "DNS Zone",
             region="global")
LOGS = Meter(CLOUDWATCH, "EUC1-DataProcessing-Bytes", "PutLogEvents", "GB", D("0.63"),
             "Data Payload")

HOURS = D(24)


def tagged(service, team, customer=None, name=None, **more):
    tags = {"user_service": service, "user_team": team, "user_customer": customer,
            "user_name": name, **more}
    return {key: value for key, value in tags.items() if value is not None}


# On-demand resources. Instances under a commitment are listed by the commitment below.
RESOURCES = [
    Resource(PRODUCTION, "arn:aws:eks:eu-central-1:222222222222:cluster/platform", CLUSTER, HOURS,
             tags=tagged("platform", "platform")),
    Resource(PRODUCTION, "i-0a10000000000001a", M7G, HOURS,
             tags=tagged("aurora-dedicated", "accounts", "aurora", "aurora-node")),
    Resource(PRODUCTION, "vol-0b1000000000001", GP3, D("16.129032"),
             tags=tagged("api", "storefront")),
    Resource(PRODUCTION, "vol-0b1000000000002", GP3, D("6.451613"),
             tags=tagged("platform", "platform")),
    Resource(PRODUCTION, "i-0c6100000000000a1", OUT, D("41.7"), 0.5, tagged("api", "storefront")),
    Resource(PRODUCTION, "i-0c6100000000000a2", OUT, D("38.25"), 0.5, tagged("api", "storefront")),
    Resource(PRODUCTION, "i-0c6100000000000a3", CROSS_AZ, D("120.5"), 0.4,
             tagged("checkout", "storefront")),
    Resource(PRODUCTION, "arn:aws:lambda:eu-central-1:222222222222:function:thumbnailer",
             LAMBDA_TIME, D("98000.125"), 0.5, tagged("media", "content")),
    Resource(PRODUCTION, "arn:aws:lambda:eu-central-1:222222222222:function:thumbnailer",
             LAMBDA_CALLS, D("210000"), 0.5, tagged("media", "content")),
    Resource(PRODUCTION, "arn:aws:dynamodb:eu-central-1:222222222222:table/sessions", DDB_READ,
             D("9200000"), 0.5, tagged("checkout", "storefront")),
    Resource(PRODUCTION, "arn:aws:dynamodb:eu-central-1:222222222222:table/sessions", DDB_WRITE,
             D("2100000"), 0.5, tagged("checkout", "storefront")),
    Resource(PRODUCTION, "acme-media", S3_STORAGE, D("96.774194"), 0.02,
             tagged("media", "content")),
    Resource(PRODUCTION, "acme-media", S3_PUTS, D("310000"), 0.5, tagged("media", "content")),
    Resource(DATA, "arn:aws:rds:eu-central-1:333333333333:db:analytics", DB, HOURS,
             tags=tagged("analytics-db", "data")),
    Resource(DATA, "arn:aws:rds:eu-central-1:333333333333:db:analytics", DB_STORAGE,
             D("32.258065"), tags=tagged("analytics-db", "data")),
    Resource(DATA, "arn:aws:rds:eu-central-1:333333333333:db:orders", DB_STORAGE,
             D("19.354839"), tags=tagged("orders-db", "data")),
    Resource(DATA, "kestrel-exports", S3_STORAGE, D("12.903226"), 0.02,
             tagged("exports", "data", "kestrel")),
    Resource(DATA, "acme-logs", S3_STORAGE, D("64.516129"), 0.02, tagged("logs", "platform")),
    Resource(STAGING, "i-0d400000000000001", T3, D(12), 0.3),  # untagged on purpose
    Resource(STAGING, "i-0d400000000000002", T3, D(10), 0.3, tagged("search", "discovery")),
    Resource(SHARED, "arn:aws:cloudfront::012345678901:distribution/E1ACMEEXAMPLE", CDN_EU,
             D("510.25"), 0.5, tagged("cdn", "platform")),
    Resource(SHARED, "arn:aws:cloudfront::012345678901:distribution/E1ACMEEXAMPLE", CDN_US,
             D("64.5"), 0.5, tagged("cdn", "platform")),
    Resource(SHARED, "arn:aws:route53:::hostedzone/Z0ACMEEXAMPLE", ZONE, D("0.032258"),
             tags=tagged("dns", "platform")),
    Resource(SHARED, "", LOGS, D("22.5"), 0.4),  # no resource, no tags: CloudWatch ingestion
    Resource(DATA, None, LOGS, D("9.75"), 0.4),
]

# EKS worker nodes: on-demand parents of split cost allocation rows.
NODES = ["i-0e7000000000000b1", "i-0e7000000000000b2"]
NODE_TAGS = tagged("platform", "platform", aws_eks_cluster_name="platform")
PODS = [  # name, vCPU hours reserved per day, GB hours reserved per day
    ("checkout-worker", D("30"), D("120")),
    ("search-indexer", D("24"), D("144")),
    ("mailer", D("12"), D("36")),
]

SPOT_FLEET = [
    ("i-05b00000000000001", tagged("exports", "data", "kestrel")),
    ("i-05b00000000000002", tagged("reporting", "data")),
]
