"""Tables and maps → pictures: each function draws one figure and returns it."""
