-- Who may answer a question that is open: `subject:` and the one that started its run, or `role:` and a role. A question with roles has the
-- row `roles`, too, for callers that roles do not restrict.
CREATE TABLE workflow_question_answerers (
    answerer TEXT NOT NULL,
    question TEXT NOT NULL REFERENCES workflow_questions (id) ON DELETE CASCADE,
    PRIMARY KEY (answerer, question)
);

CREATE INDEX workflow_question_answerers_by_question ON workflow_question_answerers (question);

-- The roles of the questions that are open. A text here can't hold what `\u0000` stands for, and no role has it.
CREATE TEMPORARY TABLE open_questions ON COMMIT DROP AS
    SELECT id, run, COALESCE(replace(replace(body, '\\', ''), '\u0000', '')::json -> 'roles', '[]'::json) AS roles
    FROM workflow_questions WHERE closed_at IS NULL;
INSERT INTO workflow_question_answerers (answerer, question)
    SELECT 'subject:' || subject, open_questions.id FROM open_questions
    JOIN workflow_runs ON workflow_runs.id = open_questions.run WHERE json_array_length(open_questions.roles) = 0;
INSERT INTO workflow_question_answerers (answerer, question)
    SELECT DISTINCT 'role:' || replace(role, '%', '%25'), id FROM open_questions, json_array_elements_text(open_questions.roles) AS role;
INSERT INTO workflow_question_answerers (answerer, question)
    SELECT 'roles', id FROM open_questions WHERE json_array_length(roles) > 0;
