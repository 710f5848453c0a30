"""Names that something outside our code uses: a framework, the wire, or a person.

Vulture reads this file as if it were a use of each.
"""

import appliance
from appliance import settings as instance_settings
from appliance.ai_actions.graphql import inputs as action_inputs
from appliance.ai_actions.graphql import listening as answers
from appliance.ai_actions.graphql import messages as said
from appliance.ai_actions.graphql import mutations as said_mutations
from appliance.ai_actions.graphql import names as action_names
from appliance.ai_actions.graphql import queries as said_queries
from appliance.console import rules as console
from appliance.explanations import graphql as explanations
from appliance.feature_flags import graphql as feature_flags
from appliance.feature_flags import rest as flag_requests
from appliance.fields import connections
from appliance.gateway_feed import tables as gateway_feed
from appliance.graphql import schema
from appliance.instance_settings import graphql as duo_settings
from appliance.instance_settings.tables import InstanceSettingRow
from appliance.licensing.graphql import mutations as seat_mutations
from appliance.licensing.graphql import values as purchases
from appliance.licensing.rules import files as licence_files
from appliance.licensing.tables import rows as licensing
from appliance.model_selection.graphql import chat as chat_models
from appliance.model_selection.graphql import choices as model_choices
from appliance.model_selection.graphql import group_mutations as model_choice_mutations
from appliance.model_selection.graphql import instance_mutations as feature_mutations
from appliance.model_selection.graphql import model_mutations
from appliance.model_selection.graphql import models as shown_models
from appliance.model_selection.graphql import names as model_names
from appliance.model_selection.graphql import settings as feature_settings
from appliance.namespaces.rules import AccessLevel
from appliance.usage.tables import UsageEventRow
from gateway.contract import catalog, claims, codes, events, feed
from gateway.edge import health, openai
from gateway.edge.prompting import bodies
from gateway.settings import Settings
from gateway.upstream.connection import Connection
from install import cli
from install.admin import features, keys, models
from install.admin import instance_settings as settings_commands
from install.backup import commands as backup_commands
from install.backup import sealed
from install.tls import commands as certificate_commands

_ = [
    # Roles that come over the wire by their number.
    AccessLevel.GUEST,
    AccessLevel.REPORTER,
    # Fields that travel on the wire; the other side reads them.
    claims.Claims.aud,
    claims.Claims.iat,
    claims.Claims.jti,
    claims.Claims.flags,
    claims.Claims.cred,
    claims.Claims.gen,
    claims.Claims.client_ip,
    feed.FeedDocument.issued_at,
    events.UsageEvent.queue_ms,
    events.UsageEvent.first_token_ms,
    UsageEventRow.queue_ms,
    UsageEventRow.first_token_ms,
    licence_files._LicenceFile.casemate_licence,
    licence_files._AuthorityFile.casemate_authority,
    feed.FeedModel.family,
    feed.FeedModel.name,
    openai._Message.role,
    bodies.CurrentFile.file_path,
    bodies.CurrentFile.selected_code,
    # What the catalogue says of each thing; clients and pages show it.
    catalog.UnitPrimitive.description,
    catalog.ModelFamily.title,
    catalog.Feature.title,
    catalog.Feature.main_feature,
    catalog.Feature.release_state,
    catalog.Feature.model_families,
    catalog.AddOn.has_seats,
    # Route handlers and settings are called and filled in by their frameworks.
    health.health,
    health.healthz,
    health.ready,
    Settings.model_config,
    Settings._certificate_with_its_key,
    codes.Code.NOT_FOUND,
    # The transport and the parser call them.
    Connection.connection_made,
    Connection.data_received,
    Connection.connection_lost,
    Connection.on_message_begin,
    Connection.on_header,
    Connection.on_headers_complete,
    Connection.on_body,
    Connection.on_message_complete,
    # A person calls them from the command line.
    cli.down,
    features.assign,
    keys.list_keys,
    settings_commands.set_one,
    models.remove,
    certificate_commands.renew,
    backup_commands.list_backups,
    # Called by the standard library.
    sealed.Writer.writable,
    sealed.Reader.readable,
    sealed.Reader.readinto,
    # Fields and members of the GraphQL schema; clients read and name them.
    connections.PageInfo.has_next_page,
    connections.PageInfo.has_previous_page,
    connections.PageInfo.start_cursor,
    connections.PageInfo.end_cursor,
    lambda found: (found.edges, found.page_info),
    # The library reads it while it executes.
    lambda executor: executor._relevant_sub_fields,
    explanations.Verdict.PERMITTED,
    explanations.CheckState.PASSED,
    explanations.CheckState.NOT_REACHED,
    # What clients send of a flag is refused by its name, or means nothing.
    flag_requests.FlagBody.feature_group,
    flag_requests.FlagBody.repository,
    flag_requests.FlagBody.force,
    feature_flags.FeatureFlag.enabled,
    feature_flags.Metadata.revision,
    feature_flags.Metadata.enterprise,
    purchases.UserSort.ID_DESC,
    purchases.UserSort.NAME_ASC,
    purchases.UserSort.NAME_DESC,
    purchases.UserSort.LAST_ACTIVITY_ON_ASC,
    purchases.UserSort.LAST_ACTIVITY_ON_DESC,
    purchases.AddOnPurchase.purchased_quantity,
    purchases.UserAddOnAssignment.add_on_purchase,
    purchases.AddOnUser.public_email,
    purchases.AddOnUser.last_activity_on,
    seat_mutations.UserAddOnAssignmentCreatePayload.add_on_purchase,
    duo_settings.DuoSettingsUpdatePayload.duo_settings,
    chat_models.AiChatAvailableModels.pinned_model,
    model_choices._ChoiceFields.may_be_changed_by,
    model_choices.AiNamespaceFeatureSetting.offered_model_name,
    model_choice_mutations.AiNamespaceFeatureSettingUpdatePayload.ai_feature_settings,
    feature_mutations.AiInstanceFeatureSettingUpsertPayload.ai_instance_feature_settings,
    model_mutations.AiSelfHostedModelCreatePayload.self_hosted_model,
    shown_models.AiModelSelectionOfferedModel.model_description,
    shown_models.AiSelfHostedModel.model_display_name,
    shown_models.AiSelfHostedModel.has_api_token,
    shown_models.AiFeatureSetting.compatible_llms,
    model_names.AiFeatureProviders.UNASSIGNED,
    model_names.AiSelfHostedModelReleaseState.GA,
    model_names.AiSelfHostedModelReleaseState.BETA,
    model_names.AiSelfHostedModelReleaseState.EXPERIMENTAL,
    feature_settings.AiInstanceFeatureSetting.default_model_name,
    action_inputs.AiCurrentFileInput.selected_text,
    action_inputs.AiCurrentFileInput.content_above_cursor,
    action_inputs.AiCurrentFileInput.content_below_cursor,
    action_names.AiMessageRole.ASSISTANT,
    action_names.AiMessageType.TOOL,
    action_names.AiConversationsThreadsConversationType.DUO_CHAT,
    action_names.AiConversationsThreadsConversationType.DUO_CHAT_LEGACY,
    action_names.AiConversationsThreadsConversationType.DUO_CODE_REVIEW,
    action_names.AiConversationsThreadsConversationType.DUO_QUICK_CHAT,
    action_names.AiAdditionalContextCategory.AGENT_USER_ENVIRONMENT,
    action_names.AiAdditionalContextCategory.DEPENDENCY,
    action_names.AiAdditionalContextCategory.DIRECTORY,
    action_names.AiAdditionalContextCategory.FILE,
    action_names.AiAdditionalContextCategory.ISSUE,
    action_names.AiAdditionalContextCategory.LOCAL_GIT,
    action_names.AiAdditionalContextCategory.MERGE_REQUEST,
    action_names.AiAdditionalContextCategory.REPOSITORY,
    action_names.AiAdditionalContextCategory.SNIPPET,
    action_names.AiAdditionalContextCategory.TERMINAL,
    answers.AnswersSubscription.ai_completion_response,
    said.AiConversationsThread.last_updated_at,
    said_mutations.DuoUserFeedbackInput.tracking_event,
    said_queries.AiSlashCommand.should_submit,
    said_queries.AiChatContextPresets.ai_resource_data,
    schema.Schema.process_errors,
    # Imported for the metadata that migrations are compared with.
    appliance,
    # Read by templates, by the library that fills settings, and by whoever looks into the database.
    console.Overview.answers_questions,
    console.Overview.example_ref,
    instance_settings.Settings._json_list,
    instance_settings.Settings._web_address,
    instance_settings.Settings._certificate_with_its_key,
    InstanceSettingRow.previous_value,
    licensing.AuthorityRow.pinned_at,
    licensing.AuthorityRow.replaced_at,
    gateway_feed.GatewayRow.registered_at,
    gateway_feed.GatewayRow.reported_epoch,
    gateway_feed.GatewayRow.reported_sequence,
]
