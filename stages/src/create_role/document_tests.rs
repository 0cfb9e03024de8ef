//! What the policies of both roles say.

use super::*;
use crate::fixture::Fixture;

fn roles(fixture: &Fixture) -> Roles {
    Roles::of(&fixture.wanted())
}

fn documents(region: &str) -> String {
    let fixture = Fixture::new("name: fraud", region, "3f9a0c12");
    let Roles { execution, proxy } = roles(&fixture);
    let documents = json!({
        "execution trust": trust("sagemaker.amazonaws.com", &execution_condition(&fixture.names)),
        "execution": execution.document,
        "proxy trust": trust("lambda.amazonaws.com", &proxy_condition(&fixture.names)),
        "proxy": proxy.document,
    });
    serde_json::to_string_pretty(&documents).unwrap()
}

/// The statements that these stages add.
fn more(stages: &str) -> String {
    let [serves, wanted] = ["", stages].map(|stages| roles(&Fixture::with(stages)).execution.document);
    let statements = |policy: &Json| policy["Statement"].as_array().unwrap().clone();
    let (serves, mut all) = (statements(&serves), statements(&wanted));
    let more = all.split_off(serves.len());
    assert_eq!(all, serves);
    serde_json::to_string_pretty(&policy::words(&policy::document(&more))).unwrap()
}

#[test]
fn a_role_that_trains_may_also_read_rows_and_write_results() {
    insta::assert_snapshot!(more("{ train: { on: sagemaker } }"), @r#"
    {
      "ListRows": "Allow s3:ListBucket on arn:aws:s3:::fraud-123456789012-us-east-1 if s3:prefix StringLike training/*",
      "Result": "Allow s3:PutObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*/output/*",
      "Rows": "Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*",
      "TrainingLogGroup": "Allow logs:CreateLogGroup, logs:DescribeLogStreams on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:",
      "TrainingLogs": "Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:fraud-????????????*",
      "TrainingMetrics": "Allow cloudwatch:PutMetricData on * if cloudwatch:namespace StringEquals /aws/sagemaker/TrainingJobs"
    }
    "#);
}

#[test]
fn a_role_may_do_what_each_option_needs_and_no_more() {
    insta::assert_snapshot!(more("{ create-endpoint: { data-capture: { share: 0.5 } } }"), @r#"
    {
      "Captures": "Allow s3:PutObject on arn:aws:s3:::fraud-123456789012-us-east-1/captures/*"
    }
    "#);
    insta::assert_snapshot!(more("{ create-endpoint: { vpc: { subnets: [subnet-1], security-groups: [sg-1] } } }"), @r#"
    {
      "Network": "Allow ec2:CreateNetworkInterface, ec2:CreateNetworkInterfacePermission, ec2:DeleteNetworkInterface, ec2:DeleteNetworkInterfacePermission, ec2:DescribeDhcpOptions, ec2:DescribeNetworkInterfaces, ec2:DescribeSecurityGroups, ec2:DescribeSubnets, ec2:DescribeVpcEndpoints, ec2:DescribeVpcs on *"
    }
    "#);
    insta::assert_snapshot!(more("{ create-endpoint: { rollback-on: { errors-per-minute: 5 } } }"), @r#"
    {
      "Alarms": "Allow cloudwatch:DescribeAlarms on *"
    }
    "#);
}

#[test]
fn each_role_may_do_what_it_needs_and_no_more() {
    insta::assert_snapshot!(documents("us-east-1"), @r#"
    {
      "execution": {
        "Statement": [
          {
            "Action": "s3:GetObject",
            "Effect": "Allow",
            "Resource": "arn:aws:s3:::fraud-123456789012-us-east-1/models/*",
            "Sid": "Model"
          },
          {
            "Action": "ecr:GetAuthorizationToken",
            "Effect": "Allow",
            "Resource": "*",
            "Sid": "EcrToken"
          },
          {
            "Action": [
              "ecr:BatchGetImage",
              "ecr:GetDownloadUrlForLayer",
              "ecr:BatchCheckLayerAvailability"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost",
            "Sid": "EcrPull"
          },
          {
            "Action": [
              "logs:CreateLogGroup",
              "logs:CreateLogStream",
              "logs:PutLogEvents",
              "logs:DescribeLogStreams"
            ],
            "Effect": "Allow",
            "Resource": [
              "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud",
              "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*"
            ],
            "Sid": "Logs"
          },
          {
            "Action": "cloudwatch:PutMetricData",
            "Condition": {
              "StringEquals": {
                "cloudwatch:namespace": [
                  "/aws/sagemaker/Endpoints",
                  "AWS/SageMaker"
                ]
              }
            },
            "Effect": "Allow",
            "Resource": "*",
            "Sid": "Metrics"
          }
        ],
        "Version": "2012-10-17"
      },
      "execution trust": {
        "Statement": [
          {
            "Action": "sts:AssumeRole",
            "Condition": {
              "ArnLike": {
                "aws:SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:*"
              }
            },
            "Effect": "Allow",
            "Principal": {
              "Service": "sagemaker.amazonaws.com"
            },
            "Sid": "Assume"
          }
        ],
        "Version": "2012-10-17"
      },
      "proxy": {
        "Statement": [
          {
            "Action": "sagemaker:InvokeEndpoint",
            "Effect": "Allow",
            "Resource": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud",
            "Sid": "Score"
          },
          {
            "Action": [
              "logs:CreateLogStream",
              "logs:PutLogEvents"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
            "Sid": "Logs"
          }
        ],
        "Version": "2012-10-17"
      },
      "proxy trust": {
        "Statement": [
          {
            "Action": "sts:AssumeRole",
            "Condition": {
              "StringEquals": {
                "aws:SourceAccount": "123456789012"
              }
            },
            "Effect": "Allow",
            "Principal": {
              "Service": "lambda.amazonaws.com"
            },
            "Sid": "Assume"
          }
        ],
        "Version": "2012-10-17"
      }
    }
    "#);
}

#[test]
fn another_partition_has_its_own_arns_and_image_registry() {
    insta::assert_snapshot!(documents("cn-northwest-1"), @r#"
    {
      "execution": {
        "Statement": [
          {
            "Action": "s3:GetObject",
            "Effect": "Allow",
            "Resource": "arn:aws-cn:s3:::fraud-123456789012-cn-northwest-1/models/*",
            "Sid": "Model"
          },
          {
            "Action": "ecr:GetAuthorizationToken",
            "Effect": "Allow",
            "Resource": "*",
            "Sid": "EcrToken"
          },
          {
            "Action": [
              "ecr:BatchGetImage",
              "ecr:GetDownloadUrlForLayer",
              "ecr:BatchCheckLayerAvailability"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws-cn:ecr:cn-northwest-1:451049120500:repository/sagemaker-xgboost",
            "Sid": "EcrPull"
          },
          {
            "Action": [
              "logs:CreateLogGroup",
              "logs:CreateLogStream",
              "logs:PutLogEvents",
              "logs:DescribeLogStreams"
            ],
            "Effect": "Allow",
            "Resource": [
              "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud",
              "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*"
            ],
            "Sid": "Logs"
          },
          {
            "Action": "cloudwatch:PutMetricData",
            "Condition": {
              "StringEquals": {
                "cloudwatch:namespace": [
                  "/aws/sagemaker/Endpoints",
                  "AWS/SageMaker"
                ]
              }
            },
            "Effect": "Allow",
            "Resource": "*",
            "Sid": "Metrics"
          }
        ],
        "Version": "2012-10-17"
      },
      "execution trust": {
        "Statement": [
          {
            "Action": "sts:AssumeRole",
            "Condition": {
              "ArnLike": {
                "aws:SourceArn": "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:*"
              }
            },
            "Effect": "Allow",
            "Principal": {
              "Service": "sagemaker.amazonaws.com"
            },
            "Sid": "Assume"
          }
        ],
        "Version": "2012-10-17"
      },
      "proxy": {
        "Statement": [
          {
            "Action": "sagemaker:InvokeEndpoint",
            "Effect": "Allow",
            "Resource": "arn:aws-cn:sagemaker:cn-northwest-1:123456789012:endpoint/fraud",
            "Sid": "Score"
          },
          {
            "Action": [
              "logs:CreateLogStream",
              "logs:PutLogEvents"
            ],
            "Effect": "Allow",
            "Resource": "arn:aws-cn:logs:cn-northwest-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
            "Sid": "Logs"
          }
        ],
        "Version": "2012-10-17"
      },
      "proxy trust": {
        "Statement": [
          {
            "Action": "sts:AssumeRole",
            "Condition": {
              "StringEquals": {
                "aws:SourceAccount": "123456789012"
              }
            },
            "Effect": "Allow",
            "Principal": {
              "Service": "lambda.amazonaws.com"
            },
            "Sid": "Assume"
          }
        ],
        "Version": "2012-10-17"
      }
    }
    "#);
}
