from runs.engine.registry import executor


@executor("greetings.greet", limit=5)
def greet(ctx, name):
    ctx.log(f"greeting {name}")
    return {"text": f"Hello, {name}!"}
