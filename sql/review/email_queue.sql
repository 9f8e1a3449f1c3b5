-- The built-in inbox is an attached table whose triggers and view come with the extension.

SELECT triage_internal.create_triggers('triage.email', 0, 'label', ARRAY['email_id'],
    ARRAY['header', 'subject', 'body']);

SELECT triage_internal.create_queue_view(0, 'email_queue', 'triage.email', 'default', 'triage.email', 't.label',
                                         ARRAY['email_id'], ARRAY['header', 'subject', 'body']);
