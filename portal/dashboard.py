

def context(request, context):
    return context
