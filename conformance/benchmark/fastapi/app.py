"""What the generated service is measured against: the same JSON from FastAPI."""

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: str
    limit: int | None = None


class Answer(BaseModel):
    answer: str
    sources: list[str]


app = FastAPI()


@app.post("/ask")
async def ask(question: Question) -> Answer:
    said = question.model_dump_json()
    return Answer(
        answer=f"[echo] desk received {len(said)} characters: {said}",
        sources=["Some sources"],
    )
