"""What a whole deployment does under the page views of many people: `make load`."""
