-- Who may answer a question that is open: `subject:` and the one that started its run, or `role:` and a role. A question with roles has the
-- row `roles`, too, for callers that roles do not restrict.
CREATE TABLE workflow_question_answerers (
    answerer TEXT NOT NULL,
    question TEXT NOT NULL REFERENCES workflow_questions (id) ON DELETE CASCADE,
    PRIMARY KEY (answerer, question)
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_question_answerers_by_question ON workflow_question_answerers (question);

INSERT INTO workflow_question_answerers (answerer, question)
    SELECT 'subject:' || subject, workflow_questions.id FROM workflow_questions
    JOIN workflow_runs ON workflow_runs.id = workflow_questions.run
    WHERE closed_at IS NULL AND COALESCE(json_array_length(body, '$.roles'), 0) = 0;
INSERT INTO workflow_question_answerers (answerer, question)
    SELECT DISTINCT 'role:' || replace(json_each.value, '%', '%25'), workflow_questions.id FROM workflow_questions, json_each(body, '$.roles')
    WHERE closed_at IS NULL;
INSERT INTO workflow_question_answerers (answerer, question)
    SELECT 'roles', id FROM workflow_questions
    WHERE closed_at IS NULL AND COALESCE(json_array_length(body, '$.roles'), 0) > 0;
