// The stack of pipeline.yaml in AWS CDK: bucket, two roles, model, endpoint config, endpoint, function with its log
// group, HTTP API. Plain JavaScript with single modules, the quickest way to write a CDK app.
const { App, Stack, Duration, RemovalPolicy } = require("aws-cdk-lib");
const apigateway = require("aws-cdk-lib/aws-apigatewayv2");
const integrations = require("aws-cdk-lib/aws-apigatewayv2-integrations");
const iam = require("aws-cdk-lib/aws-iam");
const lambda = require("aws-cdk-lib/aws-lambda");
const logs = require("aws-cdk-lib/aws-logs");
const s3 = require("aws-cdk-lib/aws-s3");
const sagemaker = require("aws-cdk-lib/aws-sagemaker");

const stack = new Stack(new App(), "FraudDetection", { env: { account: "123456789012", region: "ap-south-1" } });
const bucket = new s3.Bucket(stack, "Bucket", {
  blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
  encryption: s3.BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  versioned: true,
  removalPolicy: RemovalPolicy.DESTROY,
});
const endpointRole = new iam.Role(stack, "EndpointRole", { assumedBy: new iam.ServicePrincipal("sagemaker.amazonaws.com") });
bucket.grantRead(endpointRole);
const model = new sagemaker.CfnModel(stack, "Model", {
  executionRoleArn: endpointRole.roleArn,
  primaryContainer: {
    image: "720646828776.dkr.ecr.ap-south-1.amazonaws.com/sagemaker-xgboost:1.7-1",
    modelDataUrl: bucket.s3UrlForObject("model.tar.gz"),
  },
});
const config = new sagemaker.CfnEndpointConfig(stack, "Config", {
  productionVariants: [{
    variantName: "AllTraffic",
    modelName: model.attrModelName,
    instanceType: "ml.t2.medium",
    initialInstanceCount: 1,
    initialVariantWeight: 1,
  }],
});
const endpoint = new sagemaker.CfnEndpoint(stack, "Endpoint", { endpointConfigName: config.attrEndpointConfigName });
const proxy = new lambda.Function(stack, "Proxy", {
  runtime: lambda.Runtime.PYTHON_3_12,
  handler: "index.handler",
  code: lambda.Code.fromInline("def handler(event, context):\n    return {'statusCode': 200}\n"),
  memorySize: 256,
  timeout: Duration.seconds(28),
  environment: { ENDPOINT_NAME: endpoint.attrEndpointName },
  logGroup: new logs.LogGroup(stack, "Logs", { retention: logs.RetentionDays.ONE_MONTH }),
});
proxy.addToRolePolicy(new iam.PolicyStatement({ actions: ["sagemaker:InvokeEndpoint"], resources: [endpoint.ref] }));
const api = new apigateway.HttpApi(stack, "Api");
api.addRoutes({
  path: "/",
  methods: [apigateway.HttpMethod.POST],
  integration: new integrations.HttpLambdaIntegration("Integration", proxy),
});
