"""The documents of the description that asked for them, word for word."""

# A literal takes the place of `$ID`, which the document names without declaring it.
QUERY = """query getAiFeatureSetting {
  aiNamespaceFeatureSettings(namespaceId: $ID) {
    nodes {
      feature
      title
      mainFeature
      provider
      releaseState
      offeredModelRef
      offeredModelName
      offeredModels {
        nodes {
          ref
          name
        }
      }
    }
  }
}"""

MUTATION = """mutation updateAiFeatureSetting($input: AiFeatureSettingUpdateInput!) {
  aiNamespaceFeatureSettingUpdate(input: $input) {
    aiFeatureSettings {
      feature
      title
      mainFeature
      provider
      releaseState
      offeredModelRef
      offeredModelName
      offeredModels {
        nodes {
          ref
          name
        }
      }
    }
    errors
  }
}"""
