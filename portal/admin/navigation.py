def sidebar(request):
    return []
