# Models that the large clouds run, at names of the customer's own.
#
# Each of these is a great many hosts, among them storage that anybody can rent: it is no part of a profile. One host of yours is the better
# rule, and for Bedrock it is needed: allow = ["bedrock-runtime.REGION.amazonaws.com"].

network {
  allow = [
    "*.googleapis.com",
    "*.openai.azure.com",
    "*.cognitiveservices.azure.com",
    "*.bedrock.amazonaws.com",
    "*.bedrock-runtime.amazonaws.com",
  ]
}
